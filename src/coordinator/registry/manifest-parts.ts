import {digestOf} from '../../images/digest.ts'
import {type Descriptor, type ParsedManifest, parseManifest} from '../../images/oci.ts'
import type {ManifestLink, Referrer} from './catalog.ts'

/** What an image manifest names and the store must have, or the manifests of an index. */
export interface ManifestParts {
  readonly blobs: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
  readonly subject: Descriptor | undefined
}

export function partsOf(parsed: ParsedManifest): ManifestParts {
  if (parsed.kind === 'index') return {blobs: [], manifests: parsed.index.manifests, subject: parsed.index.subject}
  const {config, layers, subject} = parsed.manifest
  return {blobs: [config, ...layers], manifests: [], subject}
}

/** The link of a manifest, with what keeps its parts from being collected. */
export function linkOf(parsed: ParsedManifest, bytes: Buffer): ManifestLink {
  const {blobs, manifests, subject} = partsOf(parsed)
  return {
    digest: digestOf(bytes),
    mediaType: parsed.mediaType,
    size: bytes.length,
    ...(blobs.length > 0 && {blobs: blobs.map((blob) => blob.digest)}),
    ...(manifests.length > 0 && {manifests: manifests.map((manifest) => manifest.digest)}),
    ...(subject !== undefined && {subject: subject.digest})
  }
}

/** A link that an older version made says nothing of its parts: its manifest does. */
export function withParts(link: ManifestLink, bytes: Buffer): ManifestLink {
  return {...linkOf(parseManifest(bytes, link.mediaType), bytes), mediaType: link.mediaType}
}

/** How a list of referrers describes this manifest: an image manifest without a type of its own goes by that of its config. */
export function referrerOf(parsed: ParsedManifest, link: ManifestLink): Referrer {
  const {artifactType, annotations} = parsed.kind === 'index' ? parsed.index : parsed.manifest
  const type = artifactType ?? (parsed.kind === 'manifest' ? parsed.manifest.config.mediaType : undefined)
  return {
    mediaType: link.mediaType,
    digest: link.digest,
    size: link.size,
    ...(type !== undefined && {artifactType: type}),
    ...(annotations !== undefined && {annotations})
  }
}
