// Package nearest finds the known word that a mistyped one was meant to be, for
// error messages that say "did you mean".
package nearest

// maxWord bounds the words that are compared, in bytes: nobody mistypes a name
// that long, and the comparison costs the product of both lengths.
const maxWord = 64

// Word returns the word of known that is closest to word, counting insertions,
// deletions, substitutions and swaps of neighbours as one step each. It is false
// when none is close enough to be what was meant: more than a third of the
// longer word's bytes, or three steps, away. Of equally close words the first
// in known wins.
func Word(word string, known []string) (string, bool) {
	if word == "" || len(word) > maxWord {
		return "", false
	}
	best, bestSteps := "", maxWord
	for _, k := range known {
		if k == "" || len(k) > maxWord {
			continue
		}
		if s := steps(word, k); s < bestSteps {
			best, bestSteps = k, s
		}
	}
	if best == "" || bestSteps > min(3, (max(len(word), len(best))+2)/3) {
		return "", false
	}
	return best, true
}

// steps is the optimal string alignment distance of a and b.
func steps(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
