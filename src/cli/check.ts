import { findConfig, loadConfig } from '../config/load-config.ts'

/** `fairlead check`: says what a config file holds, and opens nothing. */
export async function check(named: string | undefined): Promise<string> {
  const file = named ?? (await findConfig('.'))
  const { listen, pools, routes } = await loadConfig(file)
  const all = Object.values(pools)
  const backends = all.reduce((sum, pool) => sum + pool.backends.length, 0)
  const parts = [
    count(listen.length, 'listener'),
    `${count(all.length, 'pool')} (${count(backends, 'backend')})`,
    count(routes.length, 'route'),
  ]
  return `${file} is valid: ${parts.join(', ')}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
