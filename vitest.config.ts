import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // scripts/runners.mjs names the same folders for Bun.
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    // A process per file, one at a time: files measure memory, CPU and open handles, and keep to deadlines.
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    watch: false,
  },
})
