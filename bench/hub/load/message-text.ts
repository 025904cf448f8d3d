/** What is published, echoed and looked for: 100 bytes, as a short line of chat or a small piece of JSON has. */
export const messageText = 'A message as people and programs send it: short. '.repeat(3).slice(0, 100)
