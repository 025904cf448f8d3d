/** Asks again until the answer is as wanted, for some seconds at most: other processes notice an end a little later. */
export async function until<Answer>(
  ask: () => Promise<Answer>,
  wanted: (answer: Answer) => boolean,
  milliseconds = 5000,
): Promise<Answer> {
  const deadline = performance.now() + milliseconds
  for (;;) {
    const answer = await ask()
    if (wanted(answer) || performance.now() > deadline) return answer
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
