// Package balance decides how many clients a server sends to others, and when: while it drains, and while it has more
// than its share. It knows numbers only: its functions have no state and no clock, and what they decide others do.
package balance
