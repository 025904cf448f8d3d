import { createInterface } from 'node:readline'

/** The other end of a `Dialogue`: answers each command from standard input, and ends the process with it. */
export async function answerAll<Command>(answer: (command: Command) => unknown): Promise<never> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, command } = JSON.parse(line) as { id: number; command: Command }
    void say(id, () => answer(command))
  }
  process.exit(0)
}

async function say(id: number, answer: () => unknown): Promise<void> {
  try {
    console.log(JSON.stringify({ id, answer: (await answer()) ?? null }))
  } catch (error) {
    console.log(JSON.stringify({ id, error: error instanceof Error ? error.message : String(error) }))
  }
}
