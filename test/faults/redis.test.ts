import { RedisServer } from '../../src/drivers/redis/contract/redis-servers.ts'
import { faultsContract } from './support/faults-contract.ts'

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
      async nodes(namespace) {
        const nodes = await server.ask(`HVALS {${namespace}}nodes`)
        // A lease that was given back stands there as closed: incarnation, beat, closed, facts.
        return nodes.split('\r\n').filter((line) => /^\d+\|\d+\|0\|/.test(line))
      },
      async subscriptions(namespace) {
        const channels = await server.ask('PUBSUB CHANNELS')
        return channels.split('\r\n').filter((line) => line.includes(namespace))
      },
      dispose: () => server.dispose(),
    }
  },
})
