/**
 * The clients, in a process of their own.
 *
 *     fleet-main.ts PORT
 */
import { answerAll } from './answering.ts'
import { Fleet } from './fleet.ts'

export type FleetCommand =
  /** Answered when so many tunnels are open. */
  | { readonly do: 'fill'; readonly count: number }
  /** From now on so many leave each second and as many come. */
  | { readonly do: 'churn'; readonly perSecond: number }
  /** So many leave, a hundred at a time, and as many come; answered when they are in. */
  | { readonly do: 'renew'; readonly count: number }
  /** Ends the churn; answered when all are in. */
  | { readonly do: 'calm' }
  | { readonly do: 'report' }
  /** All leave; answered when they are gone. */
  | { readonly do: 'disband' }

const fleet = new Fleet(Number(process.argv[2]))
let churn: ReturnType<typeof setInterval> | undefined

async function obey(command: FleetCommand): Promise<unknown> {
  switch (command.do) {
    case 'fill':
      fleet.want(command.count)
      return fleet.settled()
    case 'churn':
      churn = setInterval(() => fleet.renew(1), 1000 / command.perSecond)
      return
    case 'renew':
      return renew(command.count)
    case 'calm':
      clearInterval(churn)
      fleet.speak()
      return fleet.settled()
    case 'report':
      return fleet.report
    case 'disband':
      fleet.disband()
      return fleet.settled()
  }
}

async function renew(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 100) {
    fleet.renew(Math.min(100, left))
    await fleet.settled()
  }
}

await answerAll(obey)
