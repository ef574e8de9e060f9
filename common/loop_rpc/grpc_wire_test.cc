#include "common/base/grpc_wire.h"

#include <gtest/gtest.h>

namespace xpu {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(GrpcWireTest, AMessageIsFramed) {
  const std::string frame = FrameGrpcMessage(std::string(0x10203, 'x'));
  EXPECT_EQ(frame.substr(0, kGrpcPrefix), std::string("\0\0\1\2\3", 5));
  const GrpcPrefix prefix = ReadGrpcPrefix(frame);
  EXPECT_FALSE(prefix.compressed);
  EXPECT_EQ(prefix.size, 0x10203u);
  EXPECT_TRUE(ReadGrpcPrefix(std::string("\1\xff\xff\xff\xff", 5)).compressed);
  EXPECT_EQ(ReadGrpcPrefix(std::string("\1\xff\xff\xff\xff", 5)).size, 0xffffffffu);
}

TEST(GrpcWireTest, TextIsPercentEncodedAndBack) {
  EXPECT_EQ(EncodeGrpcMessage("100 % \"by\"\npöd"), "100 %25 \"by\"%0Ap%C3%B6d");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(DecodeGrpcMessage(EncodeGrpcMessage(all)), all);
}

TEST(GrpcWireTest, WhatIsNoEscapeStays) {
  EXPECT_EQ(DecodeGrpcMessage("a%41b%4a"), "aAbJ");
  EXPECT_EQ(DecodeGrpcMessage("%"), "%");
  EXPECT_EQ(DecodeGrpcMessage("100%"), "100%");
  EXPECT_EQ(DecodeGrpcMessage("%4"), "%4");
  EXPECT_EQ(DecodeGrpcMessage("%zz%41"), "%zzA");
}

TEST(GrpcWireTest, AMalformedStatusIsUnknown) {
  EXPECT_EQ(ParseGrpcStatus("0"), 0);
  EXPECT_EQ(ParseGrpcStatus("14"), 14);
  for (const char* text : {"", "x", "-1", "1x", " 1", "99999999999"})
    EXPECT_EQ(ParseGrpcStatus(text), 2) << text;
}

TEST(GrpcWireTest, CodesHaveTheirNames) {
  EXPECT_EQ(GrpcStatusName(0), "OK");
  EXPECT_EQ(GrpcStatusName(14), "UNAVAILABLE");
  EXPECT_EQ(GrpcStatusName(16), "UNAUTHENTICATED");
  EXPECT_EQ(GrpcStatusName(17), "CODE_17");
  EXPECT_EQ(GrpcStatusName(-1), "CODE_-1");
}

TEST(GrpcWireTest, ATimeoutHasThreeDigitsThatCount) {
  EXPECT_EQ(FormatGrpcTimeout(nanoseconds(-5)), "0n");
  EXPECT_EQ(FormatGrpcTimeout(nanoseconds(7)), "7n");
  EXPECT_EQ(FormatGrpcTimeout(nanoseconds(99'999)), "99900n");
  EXPECT_EQ(FormatGrpcTimeout(nanoseconds(99'999'999)), "99900u");
  EXPECT_EQ(FormatGrpcTimeout(milliseconds(100)), "100m");
  EXPECT_EQ(FormatGrpcTimeout(seconds(20)), "20000m");
  EXPECT_EQ(FormatGrpcTimeout(seconds(20) - nanoseconds(1)), "19900m");
  EXPECT_EQ(FormatGrpcTimeout(seconds(100)), "100S");
  EXPECT_EQ(FormatGrpcTimeout(hours(100) - nanoseconds(1)), "359000S");
  EXPECT_EQ(FormatGrpcTimeout(hours(100)), "100H");
  EXPECT_LE(FormatGrpcTimeout(nanoseconds::max()).size(), 9u);
}

TEST(GrpcWireTest, ATimeoutIsReadAsAHundredthLessAtMost) {
  for (int64_t left = 1; left > 0 && left < nanoseconds::max().count() / 3; left = left * 2 + left / 3 + 1) {
    const auto read = ParseGrpcTimeout(FormatGrpcTimeout(nanoseconds(left)));
    ASSERT_TRUE(read.has_value()) << left;
    EXPECT_LE(read->count(), left);
    EXPECT_GE(read->count(), left - left / 100);
  }
}

TEST(GrpcWireTest, ATimeoutIsReadInEveryUnit) {
  EXPECT_EQ(ParseGrpcTimeout("1n"), nanoseconds(1));
  EXPECT_EQ(ParseGrpcTimeout("2u"), nanoseconds(2000));
  EXPECT_EQ(ParseGrpcTimeout("3m"), milliseconds(3));
  EXPECT_EQ(ParseGrpcTimeout("4S"), seconds(4));
  EXPECT_EQ(ParseGrpcTimeout("5M"), seconds(300));
  EXPECT_EQ(ParseGrpcTimeout("6H"), hours(6));
  EXPECT_EQ(ParseGrpcTimeout("99999999H"), nanoseconds::max());
  for (const char* text : {"", "1", "m", "-1m", "123456789m", "1x", "1.5S", " 1S"}) {
    EXPECT_EQ(ParseGrpcTimeout(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace xpu
