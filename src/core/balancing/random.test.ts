import { policyContract } from './contract/policy-contract.ts'
import { random } from './random.ts'

policyContract('random', { make: (parts) => random(parts.weights, parts.random) })
