// The outbox: order in each thread, one key for every attempt, and a visible end for what cannot be sent.
import assert from "node:assert/strict"
import { test } from "node:test"
import { Offline } from "../../static/helpers/api.js"
import { Outbox, newId, summary } from "../../static/helpers/outbox.js"
import { Memory } from "../../static/helpers/outbox_store.js"

const answer = (status, { retryAfter = 0, fields = {} } = {}) =>
  ({ ok: status < 400, status, retryAfter, data: { error: { message: "no", fields } } })
const silence = () => new Offline("x")

// One browser: what it keeps, its tabs, and a server that answers in turn, then with 201.
class Browser {
  sent = []
  store = new Memory()
  token = "current"
  #tabs = []
  #locked = Promise.resolve()

  constructor(...answers) { this.answers = answers }

  async tab(user = "mara") {
    const channel = { postMessage: (data) => this.#tabs.filter((tab) => tab !== channel).forEach((tab) => tab.onmessage({ data })) }
    this.#tabs.push(channel)
    const box = new Outbox({ store: async () => this.store, send: this.#send, renew: async () => this.token, lock: this.#lock, channel })
    await box.open(user, "oasis")
    return box
  }

  // What is still kept of a person, once everything at hand is done.
  async kept(user = "mara") {
    await new Promise(setImmediate)
    return this.store.of(user)
  }

  get texts() { return this.sent.map(({ body }) => body.text) }

  #send = async (method, path, { body, key }) => {
    this.sent.push({ method, path, body, key })
    const given = this.answers.shift() ?? answer(201)
    if (given instanceof Error) throw given
    return typeof given === "function" ? given() : given
  }

  #lock = (name, work) => (this.#locked = this.#locked.then(work, work))
}

const call = (text, { thread = "room", kind = "message" } = {}) =>
  ({ thread, kind, method: "POST", path: "/somewhere", body: { text }, about: { text } })

const settled = (box, done) => new Promise((resolve) => {
  const look = () => done() && (box.removeEventListener("change", look), resolve())
  box.addEventListener("change", look)
  look()
})

const states = (box) => box.entries.map(({ state }) => state)
const all = (box, state) => settled(box, () => states(box).every((one) => one === state))

test("what is done leaves one after another, in that order", async () => {
  const browser = new Browser()
  const box = await browser.tab()

  for (const text of ["one", "two", "three"]) box.add(call(text))
  await all(box, "sent")

  assert.deepEqual(browser.texts, ["one", "two", "three"])
  assert.deepEqual(await browser.kept(), [])
})

test("what got no answer holds back what came after it, and goes again under the same key", async () => {
  const browser = new Browser(silence())
  const box = await browser.tab()

  const first = box.add(call("first"))
  box.add(call("second"))
  await all(box, "waiting")
  await all(box, "sent")

  assert.equal(await first.first, "waiting")
  assert.deepEqual(browser.texts, ["first", "first", "second"])
  assert.equal(browser.sent[0].key, browser.sent[1].key)
})

test("what waits is kept, and the next page sends it under the same key", async () => {
  const browser = new Browser(silence())
  const closed = await browser.tab()
  for (const text of ["one", "two"]) closed.add(call(text))
  await all(closed, "waiting")
  await closed.open(undefined)

  const box = await browser.tab()
  await all(box, "sent")

  assert.deepEqual(browser.texts, ["one", "one", "two"])
  assert.equal(browser.sent[0].key, browser.sent[1].key)
})

test("two tabs send everything once", async () => {
  const browser = new Browser()
  const [one, two] = [await browser.tab(), await browser.tab()]

  for (const text of ["a", "b", "c"]) one.add(call(text))
  for (const text of ["d", "e"]) two.add(call(text))
  await Promise.all([one.drain(), two.drain()])
  await Promise.all([all(one, "sent"), all(two, "sent")])

  assert.deepEqual(browser.texts.toSorted(), ["a", "b", "c", "d", "e"])
})

test("what somebody else left here is neither seen nor sent", async () => {
  const browser = new Browser(silence())
  const maras = await browser.tab()
  maras.add(call("mine alone"))
  await all(maras, "waiting")
  await maras.open("jonas", "oasis")

  const jonass = await browser.tab("jonas")
  await jonass.drain()

  assert.deepEqual([maras.entries, jonass.entries], [[], []])
  assert.deepEqual(browser.texts, ["mine alone"])
})

test("what is refused says why, stays, and holds nothing back", async () => {
  const browser = new Browser(answer(422, { fields: { content: ["is too long"] } }))
  const box = await browser.tab()

  const refused = box.add(call("x"))
  const next = box.add(call("fine"))
  await settled(box, () => next.state === "sent")

  assert.deepEqual([refused.state, refused.reason], ["failed", "is too long"])
  assert.deepEqual((await browser.kept()).map(({ state, reason }) => [state, reason]), [["failed", "is too long"]])
})

test("retry keeps the key", async () => {
  const browser = new Browser(answer(422))
  const box = await browser.tab()
  const entry = box.add(call("again"))
  await all(box, "failed")

  box.retry(entry.key)
  await all(box, "sent")

  assert.equal(browser.sent[0].key, browser.sent[1].key)
})

test("a mistake of the server holds back its own thread only", async () => {
  const browser = new Browser(answer(500))
  const box = await browser.tab()

  box.add(call("stuck", { thread: "a" }))
  box.add(call("after it", { thread: "a" }))
  const other = box.add(call("elsewhere", { thread: "b" }))
  await settled(box, () => other.state === "sent")
  await all(box, "sent")

  assert.deepEqual(browser.texts, ["stuck", "elsewhere", "stuck", "after it"])
})

for (const status of [429, 503]) {
  test(`after ${status} nobody asks before the server said`, async () => {
    const browser = new Browser(answer(status, { retryAfter: 1 }))
    const [box, other] = [await browser.tab(), await browser.tab()]
    const began = Date.now()

    box.add(call("later"))
    await all(box, "waiting")
    await other.drain()
    assert.equal(browser.sent.length, 1)
    await all(box, "sent")

    assert.ok(Date.now() - began >= 1000)
    assert.deepEqual(browser.texts, ["later", "later"])
    await other.open(undefined)
  })
}

test("an old token is renewed, and the same call goes again", async () => {
  const browser = new Browser(answer(403))
  browser.token = "renewed"
  const box = await browser.tab()

  box.add(call("hello"))
  await all(box, "sent")

  assert.equal(browser.sent.length, 2)
})

test("a refusal under a good token is one", async () => {
  const browser = new Browser(answer(403))
  const box = await browser.tab()

  box.add(call("hello"))
  await all(box, "failed")

  assert.equal(browser.sent.length, 1)
})

test("while somebody else is signed in it waits", async () => {
  const browser = new Browser(answer(403))
  browser.token = "foreign"
  const box = await browser.tab()

  const entry = box.add(call("hello"))
  await all(box, "waiting")

  assert.equal(entry.reason, "Waits until you sign in again")
  assert.equal(browser.sent.length, 1)
})

test("a repeat that meets its own first try gets its answer", async () => {
  const browser = new Browser(silence(), answer(409))
  const box = await browser.tab()

  box.add(call("reaction", { kind: "reaction" }))
  await settled(box, () => browser.sent.length === 3 && !box.entries.length)

  assert.deepEqual(await browser.kept(), [])
})

test("what is cancelled in one tab is sent by none", async () => {
  const browser = new Browser(silence())
  const [one, two] = [await browser.tab(), await browser.tab()]
  one.add(call("keep"))
  const entry = one.add(call("cancel"))
  await settled(two, () => two.entries.length === 2)

  await two.forget(entry.key)
  await all(one, "sent")

  assert.equal(entry.state, "gone")
  assert.ok(!browser.texts.includes("cancel"))
})

test("a copy that arrives before the answer ends the entry", async () => {
  let release
  const browser = new Browser(() => new Promise((resolve) => { release = () => resolve(answer(201)) }))
  const box = await browser.tab()
  const entry = box.add(call("quick"))
  while (!release) await new Promise(setImmediate)

  const gone = box.forget(entry.key)
  release()
  await gone
  await box.drain()

  assert.deepEqual([box.entries, await browser.kept()], [[], []])
  assert.equal(entry.state, "gone")
})

test("of what is not a message nothing stays once it is sent", async () => {
  const box = await new Browser().tab()

  const entry = box.add(call("👍", { kind: "reaction" }))

  assert.equal(await entry.first, "sent")
  assert.deepEqual(box.entries, [])
})

test("what waits is counted by kind", () => {
  assert.equal(summary([{ kind: "message" }, { kind: "message" }, { kind: "edit" }]), "2 messages, 1 edit")
})

test("ids are made without a secure context, and differ", () => {
  assert.match(newId(), /^[0-9a-f]{32}$/)
  assert.notEqual(newId(), newId())
})
