import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { discoveryContract } from '../../gateway/discovery-contract.ts'
import { FileSource } from './file-source.ts'

for (const how of ['written in place', 'replaced']) {
  discoveryContract(`a file that is ${how}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-'))
    const path = join(folder, 'backends.json')
    const write = async (text: string) => {
      const other = join(folder, 'other')
      await writeFile(how === 'replaced' ? other : path, text)
      if (how === 'replaced') await rename(other, path)
    }
    return {
      source: new FileSource(path, JSON.parse),
      publish: (backends) => write(JSON.stringify(backends)),
      spoil: () => write('['),
      close: () => rm(folder, { recursive: true }),
    }
  })
}
