/**
 * `npm run build [-- --out FOLDER]`: compiles src to dist (JavaScript, declarations), copies what is not
 * TypeScript, and makes the command executable.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bin, root } from './setup.mjs'

const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist') } } })
const out = resolve(values.out)
const source = join(root, 'src')

rmSync(out, { recursive: true, force: true })
// The binary is a script, and its first line would take whichever node comes first in PATH: any will do.
const args = ['-p', join(root, 'tsconfig.build.json'), '--outDir', out]
const compiled = spawnSync(bin('tsc'), args, { cwd: root, stdio: 'inherit' })
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

// Pages, styles, pictures. What the compiler read is already there.
cpSync(source, out, { recursive: true, filter: (path) => !path.endsWith('.ts') })

const command = join(out, 'cli/main.js')
if (existsSync(command)) chmodSync(command, 0o755)
