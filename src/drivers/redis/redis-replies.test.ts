import { expect, test } from 'vitest'
import { codeOfReply, textOfReply } from './redis-replies.ts'

test.each([
  [
    "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'me' 'hunter2' ",
    'ERR: the server does not know HELLO',
  ],
  [
    'ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `me`, `hunter2`, ',
    'ERR: the server does not know HELLO',
  ],
  ["ERR unknown command 'HELLO hunter2'", 'ERR'],
  ['WRONGPASS invalid username-password pair hunter2', 'WRONGPASS'],
  ['ERR max number of clients reached', 'ERR max number of clients reached'],
  ['ERR whatever hunter2', 'ERR'],
  ['-hunter2', 'an error'],
  ['', 'an error'],
])('of %j it says only what may be said', (text, said) => {
  expect(textOfReply(text)).toBe(said)
})

test('what fails inside a script has its own code, on every version', () => {
  const before7 =
    "ERR Error running script (call to f_6b1bf4): @user_script:14: @user_script: 14: -READONLY You can't write against a read only replica."
  expect(codeOfReply(before7)).toBe('READONLY')
  expect(codeOfReply("READONLY You can't write against a read only replica. script: 6b1bf4")).toBe('READONLY')
  expect(codeOfReply('MOVED 3999 127.0.0.1:6381')).toBe('MOVED')
})
