import type { HandshakeRequest, Refusal } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'

/** Lets in whoever says `?user=`. A real program looks at a cookie or a token here. */
export function authenticate({ url }: HandshakeRequest): { user: string; data: undefined } | Refusal {
  const user = new URL(url, 'ws://host').searchParams.get('user') ?? ''
  // What clients choose is checked before it becomes a name: what cannot be one would be a mistake of this program.
  if (!/^[\w.-]{1,64}$/.test(user)) return { status: 401, reason: 'say who you are: ?user=' }
  return { user, data: undefined }
}
