//! Scores of predictions against labels. No model in sight.
