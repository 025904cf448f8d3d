import { RedisServer } from '../../src/drivers/redis/contract/redis-servers.ts'
import { redis } from '../../src/drivers/redis/redis-driver.ts'
import { faultsContract } from './support/faults-contract.ts'
import { knownNodes } from './support/known-nodes.ts'

faultsContract({
  name: 'Redis',
  forgets: true,
  brief: false,
  async launch() {
    const server = await RedisServer.launch()
    return {
      kind: 'redis',
      port: server.port,
      stop: () => server.process.kill(),
      start: () => server.process.start(),
      nodes: (namespace) => knownNodes(redis(`redis://127.0.0.1:${server.port}`), namespace),
      async subscriptions(namespace) {
        const channels = await server.ask('PUBSUB CHANNELS')
        return channels.split('\r\n').filter((line) => line.includes(namespace))
      },
      dispose: () => server.dispose(),
    }
  },
})
