/** Whether something comes to hold within some turns of the event loop and a few seconds. */
export async function eventually(holds: () => boolean, milliseconds = 5000): Promise<boolean> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setImmediate(resolve))
  }
  return true
}
