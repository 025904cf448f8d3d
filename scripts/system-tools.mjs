/** Programs the tests use that npm does not bring. */
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './child.mjs'

/** Debian package, and the names its program goes by. */
const tools = [
  { package: 'chromium', names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'] },
  { package: 'curl', names: ['curl'] },
  // Tests start their own on free ports. Debian's packages also start one each on the usual port, which nobody here
  // uses.
  { package: 'redis-server', names: ['redis-server'] },
  { package: 'etcd-server', names: ['etcd'] },
  { package: 'nats-server', names: ['nats-server'] },
]

/** Installs what is missing where that is possible (Debian, as root); elsewhere says what to install. */
export async function ensureSystemTools() {
  const missing = listMissing()
  if (missing.length === 0) return
  const list = missing.join(' ')
  if (!existsSync('/etc/debian_version') || process.getuid?.() !== 0) {
    console.error(`Missing on this machine, so the tests that need it will fail: ${list}`)
    return
  }
  console.error(`Installing with apt-get: ${list}`)
  await aptGet(['update', '--quiet=2'])
  await aptGet(['install', '--yes', '--quiet=2', '--no-install-recommends', ...missing])
  const still = listMissing()
  if (still.length > 0) {
    console.error(`apt-get could not install ${still.join(' ')}, so the tests that need it will fail`)
  }
}

function listMissing() {
  return tools.filter((tool) => !tool.names.some(isInPath)).map((tool) => tool.package)
}

/** @param {string} name */
function isInPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** @param {string[]} args */
async function aptGet(args) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const ended = await run('apt-get', args, { timeoutSeconds: 600, capture: true, env })
  if (!ended.ok) console.error(`apt-get ${args[0]} failed (${ended.how})\n${ended.output}`)
}
