const MAGIC = Buffer.from('7f454c46', 'hex')
const CLASS_OFFSET = 4
const CLASS_64 = 2
const ORDER_OFFSET = 5
const LITTLE_ENDIAN = 1
const MACHINE_OFFSET = 18
const HEAD_BYTES = 20
/** e_machine of elf(5), as OCI names them. */
const MACHINES: Readonly<Record<number, string>> = {62: 'amd64', 183: 'arm64', 243: 'riscv64', 21: 'ppc64le'}

/** The architecture that an ELF program is for, by its first bytes; undefined for a script or anything else that is no ELF. */
export async function executableArchitecture(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string | undefined> {
  let head = Buffer.alloc(0)
  for await (const chunk of content) {
    head = Buffer.concat([head, chunk])
    if (head.length >= HEAD_BYTES) break
  }
  if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  if (head[CLASS_OFFSET] !== CLASS_64 || head[ORDER_OFFSET] !== LITTLE_ENDIAN) return 'another machine'
  return MACHINES[head.readUInt16LE(MACHINE_OFFSET)] ?? 'another machine'
}
