import { discoveryContract } from '../../gateway/discovery-contract.ts'
import { StaticSource } from './static-source.ts'

discoveryContract('a program', async () => {
  const source = new StaticSource()
  return {
    source,
    publish: (backends) => source.replace(backends),
    spoil: () => source.fail('spoilt'),
    close() {},
  }
})
