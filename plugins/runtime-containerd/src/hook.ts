import type {RuntimesHook} from 'creo/runtime'

/** The oclif `runtimes` hook: what this plugin adds to creo. The heavy part loads only when it is chosen. */
const runtimes: RuntimesHook = async () => [
  {
    name: 'containerd',
    create: async (tools) => {
      const {createContainerdRuntime} = await import('./containerd-runtime.ts')
      return createContainerdRuntime(tools)
    }
  }
]

export default runtimes
