import { describe, expect, test } from 'vitest'
import { Loads } from './contract/loads.ts'
import { policyContract } from './contract/policy-contract.ts'
import { seededRandom } from './contract/seeded-random.ts'
import { DecayingPeak } from './decaying-peak.ts'
import { peakEwma } from './peak-ewma.ts'

policyContract('peak EWMA, all equally fast', {
  make: ({ weights, loads, random }) => {
    const latencies = weights.map(() => new DecayingPeak())
    for (const latency of latencies) latency.observe(20, 0)
    return peakEwma(
      weights,
      loads.of,
      (index) => latencies[index] as DecayingPeak,
      random,
      () => 0,
    )
  },
})

const all = (): boolean => true

function scene(observed: readonly (number | null)[]) {
  const loads = new Loads(observed.length)
  const latencies = observed.map((milliseconds) => {
    const latency = new DecayingPeak()
    if (milliseconds !== null) latency.observe(milliseconds, 0)
    return latency
  })
  const clock = { now: 0 }
  const policy = peakEwma(
    observed.map(() => 1),
    loads.of,
    (index) => latencies[index] as DecayingPeak,
    seededRandom(9),
    () => clock.now,
  )
  return { loads, latencies, clock, policy }
}

describe('peak EWMA', () => {
  test('of two it takes the quicker one, until that has more to do', () => {
    const { loads, policy } = scene([10, 100])
    expect(Array.from({ length: 20 }, () => policy.pick(all))).toEqual(new Array<number>(20).fill(0))
    loads.add(0, 10)
    expect(policy.pick(all)).toBe(1)
  })

  test('a slow answer counts at once, and is forgotten in time', () => {
    const { latencies, clock, policy } = scene([10, 20])
    latencies[0]?.observe(500, 0)
    expect(policy.pick(all)).toBe(1)
    clock.now = 60_000
    latencies[1]?.observe(20, clock.now)
    expect(policy.pick(all)).toBe(0)
  })

  test('one that never answered gets one request, and no second while that is under way', () => {
    const { loads, policy } = scene([10, null])
    expect(policy.pick(all)).toBe(1)
    loads.add(1, 1)
    expect(policy.pick(all)).toBe(0)
    expect(policy.pick((index) => index === 1)).toBe(1)
  })
})

describe('a decaying peak', () => {
  test('follows a rise at once and a fall slowly', () => {
    const peak = new DecayingPeak()
    expect([peak.known, peak.at(0)]).toEqual([false, 0])
    peak.observe(10, 0)
    peak.observe(100, 1)
    expect(peak.at(1)).toBe(100)
    peak.observe(10, 1000)
    expect(peak.at(1000)).toBeGreaterThan(85)
    for (let now = 1100; now < 60_000; now += 100) peak.observe(10, now)
    expect(peak.at(60_000)).toBeLessThan(11)
  })

  test('a clock that goes back does not raise it', () => {
    const peak = new DecayingPeak()
    peak.observe(10, 1000)
    expect(peak.at(0)).toBe(10)
  })
})
