import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'

const root = fileURLToPath(new URL('../..', import.meta.url))
const started: ChildProcess[] = []

/** For `afterEach`. */
export function killPrograms(): void {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
}

export interface Program {
  readonly process: ChildProcess
  /** Everything on standard error so far: examples talk there, the log of the gateway goes to standard output. */
  said(): string
  says(text: string): Promise<void>
  readonly ended: Promise<number | null>
}

/** Starts a program on the runtime that runs this test. */
export function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: [...stdio],
    env: { ...process.env, ...env },
  })
  started.push(child)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = once(child, 'close').then(([code]) => code)
  const says = async (text: string) => {
    while (!said.includes(text)) {
      const gone = ended.then(() => 'gone')
      const more = once(child.stderr as NonNullable<typeof child.stderr>, 'data')
      const which = await Promise.race([gone, more])
      if (which === 'gone' && !said.includes(text)) throw new Error(`${args[0]} ended:\n${said}`)
    }
  }
  return { process: child, said: () => said, says, ended }
}

/** Starts an example on a free port and waits until it says where it listens. */
export async function example(
  file: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Program & { readonly port: string }> {
  const program = run([`examples/${file}`, '0'], env)
  await program.says('Ctrl-C')
  const port = /(?:ws|http):\/\/127\.0\.0\.1:(\d+)\S* .*Ctrl-C/.exec(program.said())?.[1]
  if (port === undefined) throw new Error(`${file} does not say where it listens:\n${program.said()}`)
  return { ...program, port }
}

/** A client of an example, with what it got. */
export async function client(port: string, query = '') {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?${query}`)
  const got: string[] = []
  socket.on('message', (data) => got.push(String(data)))
  const closed = once(socket, 'close').then(([code]) => code as number)
  await once(socket, 'open')
  return {
    got,
    socket,
    /** Resolves to the code. */
    closed,
    say: (text: string) => socket.send(text),
    /** Resolves to the first line that has it. */
    async hears(text: string): Promise<string> {
      for (;;) {
        const line = got.find((candidate) => candidate.includes(text))
        if (line !== undefined) return line
        await once(socket, 'message')
      }
    },
    async leave() {
      socket.close()
      await closed
    },
  }
}

/** What an upgrade is answered with: the status. */
export async function handshake(port: string, query: string): Promise<number> {
  const socket = connect(Number(port), '127.0.0.1')
  const head = [`GET /?${query} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket']
  const own = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  socket.write(`${[...head, ...own].join('\r\n')}\r\n\r\n`)
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return Number(/^HTTP\/1\.1 (\d+) /.exec(String(answer))?.[1])
}
