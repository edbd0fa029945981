import {describe} from 'vitest'
import {createContainerdRuntime} from '../../plugins/runtime-containerd/src/containerd-runtime.ts'
import {containerdIsThere} from '../support/containerd.ts'
import {sandboxAttacks} from './sandbox-attacks.ts'

describe.skipIf(!(await containerdIsThere()))('where containerd is installed and creo is root,', () => {
  sandboxAttacks('containerd', createContainerdRuntime)
})
