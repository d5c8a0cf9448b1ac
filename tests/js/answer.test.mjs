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

test("a missing piece is noticed", () => {
  const answer = new Answer()
  answer.add(0, "ab")

  assert.equal(answer.add(5, "x"), false)
  assert.equal(answer.text, "ab")
})

test("what came before is not repeated", () => {
  const answer = new Answer()
  answer.add(0, "abc")
  answer.add(1, "bcde")

  assert.equal(answer.text, "abcde")
})

test("a second attempt starts anew", () => {
  const answer = new Answer()
  answer.add(0, "first try")
  answer.add(0, "second")

  assert.equal(answer.text, "second")
})
