package table

import (
	"math"
	"strconv"
	"strings"
)

// Missing stands where there is no number.
const Missing = "–"

const groupDigits = 3

// Number writes value with so many decimals and commas between thousands; NaN and infinities as Missing.
func Number(value float64, decimals int) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Missing
	}
	text := strconv.FormatFloat(math.Abs(value), 'f', decimals, 64)
	whole, fraction, hasFraction := strings.Cut(text, ".")
	var grouped strings.Builder
	if value < 0 && strings.Trim(text, "0.") != "" {
		grouped.WriteByte('-')
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%groupDigits == 0 {
			grouped.WriteByte(',')
		}
		grouped.WriteRune(digit)
	}
	if hasFraction {
		grouped.WriteString("." + fraction)
	}
	return grouped.String()
}
