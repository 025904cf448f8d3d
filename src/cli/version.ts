/** The version of this package. A constant, because a single-file executable has no package.json beside it. */
export const version = '0.1.0'
