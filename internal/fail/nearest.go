package fail

// Nearest returns the word among known that a mistyped word most likely means, or "": at most one letter
// in three is added, dropped or changed (Levenshtein's distance).
func Nearest(word string, known []string) string {
	best, least := "", min(3, (len(word)+1)/3)+1
	for _, candidate := range known {
		row := make([]int, len(candidate)+1)
		for j := range row {
			row[j] = j
		}
		for i := range len(word) {
			diagonal := row[0]
			row[0] = i + 1
			for j := range len(candidate) {
				cost := diagonal
				if word[i] != candidate[j] {
					cost = 1 + min(diagonal, row[j], row[j+1])
				}
				diagonal, row[j+1] = row[j+1], cost
			}
		}
		if d := row[len(candidate)]; d < least {
			best, least = candidate, d
		}
	}
	return best
}
