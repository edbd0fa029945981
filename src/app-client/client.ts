/**
 * `creo/client`: a network for the apps of others, in a browser or on a server. Needs WebCrypto and `fetch` alone (docs/CLIENT.md).
 */
export {CreoError, isCreoError} from '../core/errors.ts'
export type {SignedCommand} from '../core/protocol/commands.ts'
export {type AppAsk, type AskAnswer, answerHref, answerOfAsk, askHref, readAsk} from './asks.ts'
export {type Acceptance, acceptanceOf} from './invitations.ts'
export {
  type AppliedCommand,
  type ConnectOptions,
  Network,
  type WebSigner,
  type WireAccount,
  type WireBalance,
  type WireIncentive,
  type WireOffer,
  type WireRedemption
} from './network.ts'
export {type KeyValueStore, Outbox, type Settled, type WaitingCommand} from './outbox.ts'
export {newRedemptionCode, type RedemptionCode, redemptionCodeAgain, redemptionOfCode} from './redemption-codes.ts'
export {openKey, PASSPHRASE_CHARS_MIN, type SealedKey, sealKey} from './sealed-key.ts'
export {answerSignIn, type SignedIn, SignIn, type SignInAnswer, type SignInChallenge} from './sign-in.ts'
export {signWebCommand, type WebCommand, type WireCommandBody} from './web-command.ts'
export {createWebKey, KEY_SECRET_BYTES, proveWebKey, verifyWebText, type WebKey, webKeyOfSecret, webKeyOfSeed} from './web-key.ts'
export {
  type HandledEvents,
  RememberedEvents,
  type VerifiedWebhook,
  verifyWebhook,
  type WebhookRequest,
  type WebhookTerms,
  type WireWebhookEvent
} from './webhooks.ts'
