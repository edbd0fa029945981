import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {sandboxAttacks} from './sandbox-attacks.ts'

sandboxAttacks('podman', createPodmanRuntime)
