package e2e

import (
	"context"
	"fmt"
	"os"
)

// before is the chart that was current before this checkout's, and what it installs.
type before struct{ chart, operator, hub string }

// beforeFromEnvironment returns nil where there is none.
func beforeFromEnvironment() *before {
	b := &before{
		chart: os.Getenv("E2E_PREVIOUS_CHART"), operator: os.Getenv("E2E_PREVIOUS_OPERATOR_IMAGE"), hub: os.Getenv("E2E_PREVIOUS_HUB_IMAGE"),
	}
	if b.chart == "" || b.operator == "" || b.hub == "" {
		return nil
	}
	return b
}

// upgradeChart replaces the chart of the commit before, with which the suite began, by this checkout's: the kind, the
// rights and the operator change while clients chat. The hub servers stay what they are: those that start later are of the image
// before, with the configuration of this operator.
func (s *suite) upgradeChart(ctx context.Context) error {
	if s.before == nil {
		return fmt.Errorf("%w: E2E_PREVIOUS_CHART and the images that belong to it are not set", errNotHere)
	}
	text, err := s.tryHelm(ctx, s.upgradeArguments(chart)...)
	if err != nil {
		return fmt.Errorf("helm upgrade: %w\n%s", err, text)
	}
	return s.awaitOperator(ctx)
}
