import { consistentHash } from '../core/balancing/consistent-hash.ts'
import { leastConnections } from '../core/balancing/least-connections.ts'
import { peakEwma } from '../core/balancing/peak-ewma.ts'
import { pinned } from '../core/balancing/pinned.ts'
import type { LoadOf, Policy } from '../core/balancing/policy.ts'
import { powerOfTwo } from '../core/balancing/power-of-two.ts'
import { random } from '../core/balancing/random.ts'
import { roundRobin } from '../core/balancing/round-robin.ts'
import type { Backend } from './backend.ts'
import type { Environment } from './environment.ts'
import { hashKey, type KeyOf, sourceIpKey } from './hash-key.ts'
import type { Affinity } from './health/pool-health.ts'
import type { PlainPolicy, PolicyConfig } from './policy-options.ts'
import { StickyCookie } from './sticky-cookie.ts'

/** A configured policy over the backends of a pool. */
export interface Chooser {
  readonly forRequests: Policy
  readonly forUpgrades: Policy
  readonly keyOf: KeyOf
  /** What the key is. */
  readonly affinity: Affinity
  /** Which pins clients, if any does. */
  readonly cookie: StickyCookie | null
}

const defaultBound = 1.5

/**
 * @param poolName for the cookie's name: two pools behind one host must not take each other's
 * @param environment in whose time latencies are told to the backends
 */
export function makeChooser(
  config: PolicyConfig,
  poolName: string,
  backends: readonly Backend[],
  weights: readonly number[],
  environment: Environment,
): Chooser {
  if (config === 'source-ip-hash') return hashed(sourceIpKey, defaultBound, backends, weights)
  if (typeof config === 'string') {
    return {
      ...plain(config, backends, weights, environment),
      keyOf: () => 0,
      affinity: 'none',
      cookie: null,
    }
  }
  if ('hash' in config)
    return hashed(hashKey(config.hash, environment.random), config.bound, backends, weights)
  const { secret, otherwise, cookie: name = `fairlead-${poolName}` } = config.sticky
  const { forRequests, forUpgrades } = plain(otherwise, backends, weights, environment)
  const cookie = new StickyCookie(name, secret, backends)
  return {
    forRequests: pinned(weights, forRequests),
    forUpgrades: pinned(weights, forUpgrades),
    keyOf: (head) => cookie.indexOf(head.fields),
    affinity: 'pin',
    cookie,
  }
}

type Policies = Pick<Chooser, 'forRequests' | 'forUpgrades'>

function hashed(
  keyOf: KeyOf,
  bound: number,
  backends: readonly Backend[],
  weights: readonly number[],
): Chooser {
  const names = backends.map(({ address }) => address)
  const policy = consistentHash({ names, weights, loadOf: loadOf(backends), bound })
  return { forRequests: policy, forUpgrades: policy, keyOf, affinity: 'hash', cookie: null }
}

function plain(
  name: PlainPolicy,
  backends: readonly Backend[],
  weights: readonly number[],
  { now, random }: Environment,
): Policies {
  const load = loadOf(backends)
  switch (name) {
    case 'auto':
      // Requests are short and alike; tunnels stay for hours, so how they pile up matters (DESIGN.md §12).
      return {
        forRequests: roundRobin(weights, random()),
        forUpgrades: powerOfTwo(weights, load, random),
      }
    case 'peak-ewma': {
      const by = (kind: 'responses' | 'handshakes') =>
        peakEwma(weights, load, (i) => (backends[i] as Backend)[kind], random, now)
      return { forRequests: by('responses'), forUpgrades: by('handshakes') }
    }
    default: {
      const policy = common(name, weights, load, random)
      return { forRequests: policy, forUpgrades: policy }
    }
  }
}

/** Those that treat requests and upgrades alike. Random starts: gateways that start together must not agree. */
function common(
  name: Exclude<PlainPolicy, 'auto' | 'peak-ewma'>,
  weights: readonly number[],
  load: LoadOf,
  chance: () => number,
): Policy {
  if (name === 'least-connections') return leastConnections(weights, load, chance())
  if (name === 'power-of-two') return powerOfTwo(weights, load, chance)
  if (name === 'random') return random(weights, chance)
  return roundRobin(weights, chance())
}

function loadOf(backends: readonly Backend[]): LoadOf {
  return (index) => (backends[index] as Backend).load
}
