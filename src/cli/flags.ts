import {Args, Flags} from '@oclif/core'

/** For commands that talk to a network: which of the stored contexts. */
export const networkFlags = {
  network: Flags.string({
    char: 'n',
    env: 'CREO_NETWORK',
    helpValue: 'CONTEXT',
    description: 'Stored network to talk to, instead of the current one.'
  })
}

/** For commands that sign: in whose name. */
export const accountFlags = {
  as: Flags.string({env: 'CREO_ACCOUNT', helpValue: 'ACCOUNT', description: 'Account to act as, instead of the default one.'})
}

/** For commands that make a token of the registry. */
export const registryTokenFlags = {
  expires: Flags.string({default: '12h', helpValue: 'DURATION', description: 'How long it is good for, a day at most.'}),
  'pull-only': Flags.boolean({default: false, description: 'It can pull, but neither push nor delete.'}),
  repository: Flags.string({helpValue: 'NAME', description: 'It is good for this repository alone; NAME/* for all below NAME.'})
}

/** For commands about an app: which. */
export const appArg = {
  app: Args.string({description: 'ORG/APP; the app of creo.yaml in this folder when left out.'})
}

/** How secrets named their app before it stood first. */
export const hiddenAppFlag = {
  app: Flags.string({
    hidden: true,
    helpValue: 'ORG/APP',
    description: 'Its app, as it was named before.',
    deprecated: {message: 'The app is written first now, as in creo env set.'}
  })
}

/** What the operator of a network blocks. The kinds are those of core/protocol/blocks.ts, which a command does not load for its help. */
export const blockArgs = {
  kind: Args.string({required: true, options: ['image', 'account', 'domain'], description: 'What it is.'}),
  name: Args.string({required: true, description: 'Digest of the image, name of the account, or domain.'})
}

/** Who blocks, and why. */
export const blockFlags = {
  ...networkFlags,
  key: Flags.file({required: true, exists: true, helpValue: 'FILE', description: "Key file of the network's operator."}),
  reason: Flags.string({required: true, helpValue: 'TEXT', description: 'Why, in one line that everybody may read.'})
}

/** For commands that make revisions: how long their first answers are waited for. */
export const waitFlags = {
  wait: Flags.string({
    helpValue: 'DURATION',
    description: 'How long to wait for the first answers; 0s does not wait. Left out: 60s, and less where nothing can come.'
  })
}

/** For changes of an app's environment. */
export const variablesFlags = {
  ...networkFlags,
  ...accountFlags,
  ...waitFlags,
  function: Flags.string({helpValue: 'NAME', description: 'Of this function alone.'})
}
