import { isIP } from 'node:net'
import { Command, InvalidArgumentError } from 'commander'
import type { ProxyFlags } from './proxy.ts'
import type { RunFlags } from './run.ts'
import { say } from './stderr.ts'
import { version } from './version.ts'

/** Ends the process with a code once a command is done; commands that print and return leave it alone. */
export type Exit = (code: number) => void

// Each command loads what it needs when it runs: `--help` and `--version` answer at once.

/** The command line: what there is, what each takes, and who does it. */
export function program(exit: Exit): Command {
  const command = new Command('fairlead')
    .description('The WebSocket load balancer: spreads WebSocket and HTTP connections over servers.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .showHelpAfterError('Run it with --help to see what it takes.')
    .configureOutput({ writeErr: (text) => say(text.trimEnd()) })
    .addHelpText('after', examples)
  addProxy(command, exit)
  addRun(command, exit)
  addCheck(command)
  addSchema(command)
  addDemo(command, exit)
  return command
}

const examples = `
Examples:
  fairlead proxy --listen 8080 --to localhost:3001 --to localhost:3002
  fairlead run --config fairlead.yaml
  fairlead check --config fairlead.yaml
  fairlead demo

Settings of 'run' and 'check': docs/reference/config.md`

function addProxy(command: Command, exit: Exit): void {
  command
    .command('proxy')
    .description('put a balancer in front of servers, without a config file')
    .usage('--listen <address> --to <address> [--to <address>...] [options]')
    // Not requiredOption: commander would complain that `--listen` is missing before it sees a typo of it.
    .option('--listen <address...>', 'port, ip:port or unix:/path to accept on; may be repeated')
    .option('--to <address...>', 'server: host:port, port or unix:/path; repeat it for each server')
    .option(
      '--policy <policy>',
      'how servers are chosen: round-robin, least-connections, power-of-two, random, peak-ewma, source-ip-hash, or auto: power-of-two for WebSockets, round-robin for HTTP',
      'auto',
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'info')
    .option('--log-format <format>', 'json, pretty, or auto: pretty on a terminal', 'auto')
    .action(async (flags: ProxyFlags) => exit(await (await import('./proxy.ts')).proxy(flags)))
}

const configFlag = [
  '-c, --config <file>',
  'config file (default: fairlead.yaml or fairlead.config.ts)',
] as const

function addRun(command: Command, exit: Exit): void {
  command
    .command('run')
    .description('run the gateway of a config file')
    .option(...configFlag)
    .option('--no-watch', 'read the file again on SIGHUP only, not when it changes')
    .action(async (flags: RunFlags) => exit(await (await import('./run.ts')).run(flags)))
}

function addCheck(command: Command): void {
  command
    .command('check')
    .description('check a config file and open nothing')
    .option(...configFlag)
    .action(async (flags: { config?: string }) => {
      console.log(await (await import('./check.ts')).check(flags.config))
    })
}

function addSchema(command: Command): void {
  command
    .command('schema')
    .description('print the JSON Schema of config files, for editors')
    .action(async () => {
      const { configJsonSchema } = await import('../config/json-schema.ts')
      console.log(JSON.stringify(configJsonSchema(), null, 2))
    })
}

function addDemo(command: Command, exit: Exit): void {
  command
    .command('demo')
    .description('run three chat servers behind a gateway, with a page to look at')
    .option('--port <port>', 'port of the page (default: 8080, or a free one)', parsePort)
    .option('--host <ip>', 'address to accept on (default: 127.0.0.1, this machine only)', parseHost)
    .action(async (flags: { port?: number; host?: string }) => {
      await (await import('./demo/demo.ts')).runDemo(flags)
      exit(0)
    })
}

function parseHost(text: string): string {
  if (isIP(text) !== 0) return text
  throw new InvalidArgumentError('Expected an IP address, such as 0.0.0.0 for every one of this machine.')
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw new InvalidArgumentError('Expected a port from 0 to 65535.')
}
