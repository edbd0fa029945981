/** The one script that is named by an address in the code: the page's policy allows no other. */
interface ScriptPolicy {
  createScriptURL(url: string): string
}
interface PolicyMaker {
  createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy
}

const WORKER = 'service-worker.js'

/** Has the browser keep the page's files. Without it the page works the same, but not offline. */
export function keepOffline(): void {
  if (!('serviceWorker' in navigator) || !import.meta.env.PROD) return
  const {trustedTypes} = globalThis as {readonly trustedTypes?: PolicyMaker}
  const rules: ScriptPolicy = {createScriptURL: () => new URL(WORKER, document.baseURI).href}
  const policy = trustedTypes?.createPolicy('creo', rules) ?? rules
  navigator.serviceWorker.register(policy.createScriptURL(WORKER)).catch(() => undefined)
}
