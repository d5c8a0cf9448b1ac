// Sizes of files as people say them, as the server does, and how long an upload is waited for.
import assert from "node:assert/strict"
import { test } from "node:test"
import { fileSize, Upload } from "../../static/helpers/upload.js"

test("a size is said in the unit in which it is short", () => {
  const said = { 1: "1 B", 999: "999 B", 1000: "1 KB", 20480: "20 KB", 1023999: "999 KB", 1024000: "1 MB", 1572864: "1.5 MB", 10485760: "10 MB" }
  for (const [count, words] of Object.entries(said)) assert.equal(fileSize(Number(count)), words)
})

test("an upload is waited for while bytes move, and no longer", ({ mock }) => {
  const request = { upload: {}, open() {}, setRequestHeader() {}, send() {} }
  let now = 5000
  mock.timers.enable({ apis: ["setTimeout"] })
  mock.method(performance, "now", () => now)
  Object.assign(globalThis, { document: { querySelector: () => null }, XMLHttpRequest: function () { return request } })
  const upload = new Upload({ name: "a.bin", size: 4 }, { thread: "t", tell() {}, reached: () => true })
  upload.send()
  assert.equal(request.timeout, 60_000)
  now += 45_000
  request.upload.onprogress({ loaded: 1, total: 4 })
  assert.equal(request.timeout, 105_000)
  request.ontimeout()
  assert.equal(upload.state, "waiting")
})
