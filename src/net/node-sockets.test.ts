import { socketContract } from './socket-contract.ts'

socketContract('node:net', async () => (await import('./node-sockets.ts')).nodeSockets)
