import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Position } from '../../hub/cluster.ts'
import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import {
  Bench,
  BenchNode,
  BusRecorder,
  bytes,
  eventually,
  outcome,
  patience,
} from '../../hub/contract/cluster-rig.ts'
import { launchNatsCluster, readyWithin } from './contract/nats-cluster.ts'

// A subscription is in force at the other servers a moment after `subscribe` has resolved, which no bus contract takes.
clusterContract({ name: 'three NATS servers', launch: launchNatsCluster, bus: false })

test('three servers go on without one that kept everything: no append is lost or there twice, no node is dead', async () => {
  const broker = await launchNatsCluster()
  try {
    await using bench = new Bench(broker)
    // Servers need some seconds to choose another leader.
    const lease = { beat: 1_000, suspect: 4_000, dead: 8_000 }
    const nodes = ['a', 'b', 'c'].map((id) => new BenchNode(id, bench.cluster(broker.way(), lease).registry))
    await Promise.all(nodes.map((node) => node.start()))
    await eventually(() => nodes.every(({ others }) => others.length === 2), 'all see all')
    const clusters = nodes.map(() => bench.cluster())
    await Promise.all(clusters.map(({ bus }) => bus.start(new BusRecorder(), patience)))
    await Promise.all(clusters.map(({ history }) => history?.start(patience)))
    const ended = new Map<string, Position | string>()
    let stopped = false
    const append = async (index: number) => {
      for (let sent = 0; !stopped; sent++) {
        const text = `${index}-${sent}`
        const limits = { size: 100_000, age: 600_000 }
        ended.set(text, await outcome(clusters[index]?.history?.append('room', bytes(text), limits) as never))
        await sleep(2)
      }
    }
    const taken = () => [...ended.values()].filter((end) => typeof end !== 'string').length
    const loads = Promise.all([0, 1, 2].map(append))
    await eventually(() => taken() > 200, 'it flows')
    const told = nodes.map((node) => node.told.length)
    await (await broker.leader(`${bench.namespace}_history`)).process.kill()
    const before = taken()
    await eventually(() => taken() > before + 200, 'it flows again', readyWithin)
    stopped = true
    await loads

    const slice = await clusters[0]?.history?.read('room', null, 100_000)
    const { messages = [], top } = slice ?? {}
    expect(messages.map(({ offset }) => offset)).toEqual(messages.map((_, index) => index + 1))
    const kept = new Map(messages.map(({ offset, payload }) => [new TextDecoder().decode(payload), offset]))
    expect(kept.size).toBe(messages.length)
    for (const [text, end] of ended) {
      const offset = kept.get(text)
      if (typeof end !== 'string') expect([text, end]).toEqual([text, { epoch: top?.epoch, offset }])
      else if (offset !== undefined) expect([text, end]).toEqual([text, 'CLUSTER_UNCERTAIN'])
    }
    await eventually(() => nodes.every(({ others }) => others.length === 2), 'all see all again', readyWithin)
    const since = nodes.flatMap((node, index) => node.told.slice(told[index]))
    expect(since.filter((line) => /^left|^lost/.test(line))).toEqual([])
  } finally {
    await broker.dispose()
  }
}, 180_000)
