#pragma once

// What the tests of expressions share.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/cel/program.h"

namespace xpu::cel {

inline constexpr uint64_t kPlenty = 100000;

// The value, or the error of compiling or evaluating it, of an expression with these variables.
inline absl::StatusOr<Value> RunExpression(absl::string_view text,
                                           const std::vector<Variable>& variables = {},
                                           const std::vector<Value>& values = {}, uint64_t steps = kPlenty) {
  const auto program = Program::Compile(text, variables);
  if (!program.ok()) return program.status();
  Budget budget(steps);
  return (*program)->Evaluate(values, &budget);
}

inline void ExpectTrue(absl::string_view text) {
  const absl::StatusOr<Value> value = RunExpression(text);
  ASSERT_TRUE(value.ok()) << text << ": " << value.status();
  ASSERT_NE(value->As<bool>(), nullptr) << text << " is " << value->ToString();
  EXPECT_TRUE(value->as_bool()) << text;
}

// An error of the evaluation: it compiles.
inline void ExpectFails(absl::string_view text, const char* message) {
  const auto program = Program::Compile(text, {});
  ASSERT_TRUE(program.ok()) << text << ": " << program.status();
  Budget budget(kPlenty);
  const absl::StatusOr<Value> value = (*program)->Evaluate({}, &budget);
  ASSERT_FALSE(value.ok()) << text << " is " << value->ToString();
  EXPECT_THAT(std::string(value.status().message()), ::testing::HasSubstr(message)) << text;
}

// It does not compile.
inline void ExpectRefused(absl::string_view text, const char* message,
                          const std::vector<Variable>& variables = {}) {
  const auto program = Program::Compile(text, variables);
  ASSERT_FALSE(program.ok()) << text;
  EXPECT_EQ(program.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(program.status().message()), ::testing::HasSubstr(message)) << text;
}

struct Failure {
  const char* text;
  const char* message;
};

}  // namespace xpu::cel
