/** A promise that is kept after a while, and can be given up. */
export class Deadline {
  readonly passed: Promise<void>
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(milliseconds: number) {
    this.passed = new Promise((resolve) => {
      this.#timer = setTimeout(resolve, milliseconds)
    })
  }

  cancel(): void {
    clearTimeout(this.#timer)
  }
}

/** Waits for something, but not longer than that; what it rejects with is thrown. */
export async function within(milliseconds: number, something: Promise<unknown>): Promise<void> {
  const deadline = new Deadline(milliseconds)
  try {
    await Promise.race([something, deadline.passed])
  } finally {
    deadline.cancel()
  }
}
