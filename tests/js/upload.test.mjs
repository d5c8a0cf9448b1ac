// Sizes of files as people say them, as the server does.
import assert from "node:assert/strict"
import { test } from "node:test"
import { fileSize } from "../../static/helpers/upload.js"

test("a size is said in the unit in which it is short", () => {
  const said = { 1: "1 B", 999: "999 B", 1000: "1 KB", 20480: "20 KB", 1023999: "999 KB", 1024000: "1 MB", 1572864: "1.5 MB", 10485760: "10 MB" }
  for (const [count, words] of Object.entries(said)) assert.equal(fileSize(Number(count)), words)
})
