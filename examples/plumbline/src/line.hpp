#pragma once

#include <vector>

namespace plumbline {

/// The straight line `intercept + slope * i` for i = 0, 1, 2, …
struct Line {
    double intercept;
    double slope;
};

/// The line of least squares; throws std::invalid_argument for fewer than two samples.
Line fitted(const std::vector<double> &samples);

/// The largest distance, in the direction of the values, between a sample and the line of least squares.
double deviation(const std::vector<double> &samples);

}  // namespace plumbline
