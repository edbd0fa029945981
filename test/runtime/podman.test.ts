import {openPodmanWorld} from '../support/podman-world.ts'
import {runtimeContract} from '../support/runtime-contract.ts'

runtimeContract('podman', () => openPodmanWorld())
