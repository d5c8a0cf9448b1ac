// The text of an answer in pieces: offsets are Unicode characters.
import assert from "node:assert/strict"
import { test } from "node:test"
import { Answer } from "../../static/helpers/answer.js"

test("pieces that fit are put together, also outside the basic plane", () => {
  const answer = new Answer()

  assert.ok(answer.add(0, "ab🎉"))
  assert.ok(answer.add(3, "cd"))

  assert.equal(answer.text, "ab🎉cd")
  assert.equal(answer.length, 5)
})

test("a missing piece is noticed, and what came after it is kept until it is there", () => {
  const answer = new Answer()
  answer.add(0, "ab")

  assert.equal(answer.add(4, "ef"), false)
  assert.equal(answer.text, "ab")
  assert.ok(answer.add(0, "abcd"))
  assert.equal(answer.text, "abcdef")
})

test("what came before is not repeated", () => {
  const answer = new Answer()
  answer.add(0, "abc")
  answer.add(1, "bcde")

  assert.equal(answer.text, "abcde")
})

test("a second attempt starts anew", () => {
  const answer = new Answer()
  answer.add(0, "first try", { attempt: 1 })
  answer.add(0, "second", { attempt: 2 })
  assert.equal(answer.text, "second")
  answer.add(0, "third", { attempt: 2, reset: true })

  assert.equal(answer.text, "third")
})
