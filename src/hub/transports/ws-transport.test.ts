import { transportContract } from '../contract/transport-contract.ts'
import { startWs } from '../contract/transport-rig.ts'

transportContract('the ws package and node:http', startWs)
