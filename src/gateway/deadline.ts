import { type Environment, machine } from './environment.ts'

/** A promise that is kept after a while, and can be given up. */
export class Deadline {
  readonly passed: Promise<void>
  readonly #environment: Environment
  #alarm: unknown

  constructor(milliseconds: number, environment: Environment) {
    this.#environment = environment
    this.passed = new Promise((resolve) => {
      this.#alarm = environment.setAlarm(resolve, milliseconds)
    })
  }

  cancel(): void {
    this.#environment.clearAlarm(this.#alarm)
  }
}

/** Waits for something, but not longer than that; what it rejects with is thrown. */
export async function within(milliseconds: number, something: Promise<unknown>): Promise<void> {
  const deadline = new Deadline(milliseconds, machine)
  try {
    await Promise.race([something, deadline.passed])
  } finally {
    deadline.cancel()
  }
}
