import { startChatServer } from './chat-server.ts'

// The program of one chat server process: `chat-server-main NAME FIRST-PORT LAST-PORT`. It says on standard output where
// it listens, and ends when its standard input ends. The pipe closes with the process that holds the other
// end, however that one ends, so no chat server outlives the demo.

const [name = 'chat', first, last] = process.argv.slice(2)

process.stdin.on('end', () => process.exit(0))
process.stdin.on('close', () => process.exit(0))
process.stdin.on('error', () => process.exit(0))
process.stdin.resume()
// Ctrl-C reaches every process of the terminal; the demo decides when its servers end.
process.on('SIGINT', () => {})

try {
  const server = await startChatServer({ name, ports: { first: Number(first), last: Number(last) } })
  process.stdout.write(`${JSON.stringify({ port: server.port })}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
