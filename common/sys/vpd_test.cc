#include "common/sys/vpd.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

using namespace std::string_literals;

TEST(Vpd, FindsTheSerialNumberAmongOtherKeywords) {
  const std::string vpd =
      "\x82\x04\x00"
      "Card"s
      "\x90\x13\x00PN\x03"
      "A-1"
      "SN\x05MT123"
      "RV\x02\x00\x00"s
      "\x78"s;
  EXPECT_EQ(VpdSerial(vpd), "MT123");
}

TEST(Vpd, ReadsWhatItMakes) {
  EXPECT_EQ(VpdSerial(MakeVpd("xpu emulated card", "XPU0000001")), "XPU0000001");
  EXPECT_EQ(VpdSerial(MakeVpd("", "")), "");
}

TEST(Vpd, DropsPadding) { EXPECT_EQ(VpdSerial("\x90\x08\x00SN\x05M1  \x00\x78"s), "M1"); }

TEST(Vpd, DamagedDataHaveNoSerialNumber) {
  const std::string whole = MakeVpd("name", "serial");
  for (size_t length = 0; length + 1 < whole.size(); ++length) {
    EXPECT_EQ(VpdSerial(absl::string_view(whole).substr(0, length)), "") << "cut after " << length;
  }
  EXPECT_EQ(VpdSerial(std::string(64, '\xff')), "");
  EXPECT_EQ(VpdSerial("\x78"s + whole), "") << "after the end";
}

}  // namespace
}  // namespace xpu
