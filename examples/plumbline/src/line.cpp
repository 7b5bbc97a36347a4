#include "line.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace plumbline {

Line fitted(const std::vector<double> &samples) {
    if (samples.size() < 2) {
        throw std::invalid_argument("a line needs two samples, found " + std::to_string(samples.size()));
    }
    const auto count = static_cast<double>(samples.size());
    const double middle = (count - 1) / 2;
    double mean = 0;
    for (const double sample : samples) {
        mean += sample / count;
    }
    double shared = 0;
    double spread = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double offset = static_cast<double>(i) - middle;
        shared += offset * (samples[i] - mean);
        spread += offset * offset;
    }
    const double slope = shared / spread;
    return {mean - slope * middle, slope};
}

double deviation(const std::vector<double> &samples) {
    const Line line = fitted(samples);
    double worst = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double expected = line.intercept + line.slope * static_cast<double>(i);
        worst = std::max(worst, std::abs(samples[i] - expected));
    }
    return worst;
}

}  // namespace plumbline
