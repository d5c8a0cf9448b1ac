// The outbox: order, one client_id for every attempt, and a visible end for what cannot be sent.
import assert from "node:assert/strict"
import { test } from "node:test"
import { Offline } from "../../static/helpers/api.js"
import { Outbox, newId } from "../../static/helpers/outbox.js"

const created = { ok: true, status: 201, retryAfter: 0, data: {} }
const invalid = { ok: false, status: 422, retryAfter: 0, data: { error: { message: "no", fields: { content: ["is too long"] } } } }

function server(answers) {
  const posts = []
  const send = async (method, url, { body }) => {
    posts.push(body)
    const answer = answers.shift() ?? created
    if (answer instanceof Error) throw answer
    return answer
  }
  return { posts, send }
}

const settled = (box, done) => new Promise((resolve) => {
  const look = () => done() && (box.removeEventListener("change", look), resolve())
  box.addEventListener("change", look)
  look()
})

test("messages leave one after another in the order they were written", async () => {
  const { posts, send } = server([])
  const box = new Outbox("t", send)

  for (const text of ["one", "two", "three"]) box.add(text)
  await settled(box, () => box.entries.every(({ state }) => state === "sent"))

  assert.deepEqual(posts.map(({ content }) => content), ["one", "two", "three"])
})

test("what could not leave holds back what was written after it, and goes under the same client_id", async () => {
  const { posts, send } = server([new Offline("x")])
  const box = new Outbox("t", send)

  box.add("first")
  box.add("second")
  await settled(box, () => box.entries.every(({ state }) => state === "waiting"))
  await settled(box, () => box.entries.every(({ state }) => state === "sent"))

  assert.deepEqual(posts.map(({ content }) => content), ["first", "first", "second"])
  assert.equal(posts[0].client_id, posts[1].client_id)
})

test("a refused message says why, and does not hold back the next one", async () => {
  const { posts, send } = server([invalid])
  const box = new Outbox("t", send)

  const refused = box.add("x".repeat(9))
  const next = box.add("fine")
  await settled(box, () => next.state === "sent")

  assert.deepEqual([refused.state, refused.reason], ["failed", "is too long"])
  assert.equal(posts.length, 2)
})

test("retry keeps the client_id", async () => {
  const { posts, send } = server([invalid])
  const box = new Outbox("t", send)
  const entry = box.add("again")
  await settled(box, () => entry.state === "failed")

  box.retry(entry.client_id)
  await settled(box, () => entry.state === "sent")

  assert.equal(posts[0].client_id, posts[1].client_id)
})

test("ids are made without a secure context, and differ", () => {
  assert.match(newId(), /^[0-9a-f]{32}$/)
  assert.notEqual(newId(), newId())
})

test("a copy that arrives before the answer ends the entry", async () => {
  let release
  const box = new Outbox("t", () => new Promise((resolve) => { release = () => resolve(created) }))
  const entry = box.add("quick")

  box.forget(entry.client_id)
  release()
  await box.drain()

  assert.deepEqual(box.entries, [])
  assert.equal(entry.state, "gone")
})
