//! Pictures of the demo shop's goods, drawn: a plate on a cloth, seen from above.

use std::io;

/// Pixels along each side.
const SIDE: i32 = 480;
/// Subpixels along each side of a pixel: edges are smoothed by counting those that are covered.
const FINE: i32 = 4;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

const PLATE: Colour = [250, 248, 243];
const RIM: Colour = [231, 226, 216];
const SHADOW: Colour = [70, 55, 45];
const WHITE: Colour = [255, 255, 255];

/// What a picture shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    pub(super) cloth: Colour,
    pub(super) food: Colour,
    pub(super) garnish: Colour,
}

/// A PNG file. `number` tells one picture from another of the same colours.
///
/// # Errors
/// When it cannot be encoded, which is a defect.
pub(super) fn png(palette: Palette, number: u32) -> io::Result<Vec<u8>> {
    let mut canvas = Canvas::cloth(palette.cloth);
    let middle = SIDE / 2;
    canvas.disc((middle + 8, middle + 14), 196, SHADOW, 60);
    canvas.disc((middle, middle), 192, PLATE, 255);
    canvas.disc((middle, middle), 152, RIM, 255);
    canvas.disc((middle, middle), 149, PLATE, 255);
    canvas.disc((middle + 3, middle + 5), 126, SHADOW, 50);
    canvas.disc((middle, middle), 124, palette.food, 255);
    canvas.disc((middle - 18, middle - 22), 88, WHITE, 26);
    let mut random = Random(number.wrapping_mul(2_654_435_761).wrapping_add(97));
    for _ in 0..46 {
        let (dx, dy) = (random.within(104), random.within(104));
        if dx * dx + dy * dy < 104 * 104 {
            let at = (middle + dx, middle + dy);
            let radius = 4 + random.within(4).abs() * 2;
            canvas.disc((at.0 + 2, at.1 + 2), radius, SHADOW, 60);
            canvas.disc(at, radius, palette.garnish, 255);
            canvas.disc((at.0 - radius / 3, at.1 - radius / 3), radius / 2, WHITE, 60);
        }
    }
    canvas.encode()
}

/// Pixels, row by row from the top.
struct Canvas(Vec<Colour>);

impl Canvas {
    /// Lighter at the top, with a woven line every now and then.
    fn cloth(colour: Colour) -> Self {
        let pixel = |index: i32| {
            let (x, y) = (index % SIDE, index / SIDE);
            let woven = i32::from(x % 40 == 0 || y % 40 == 0) * 14;
            mix(colour, WHITE, 90 - y * 90 / SIDE + woven)
        };
        Self((0..SIDE * SIDE).map(pixel).collect())
    }

    /// Draws a disc. `opacity` is at most 255.
    fn disc(&mut self, (cx, cy): (i32, i32), radius: i32, colour: Colour, opacity: i32) {
        let range = |centre: i32| (centre - radius - 1).max(0)..=(centre + radius + 1).min(SIDE - 1);
        for y in range(cy) {
            for x in range(cx) {
                let covered = coverage((x - cx, y - cy), radius);
                let index = usize::try_from(y * SIDE + x).unwrap_or_default();
                if let Some(pixel) = self.0.get_mut(index).filter(|_| covered > 0) {
                    *pixel = mix(*pixel, colour, opacity * covered / (FINE * FINE));
                }
            }
        }
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, SIDE.unsigned_abs(), SIDE.unsigned_abs());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.0.as_flattened())?;
        writer.finish()?;
        Ok(file)
    }
}

/// How many of a pixel's subpixels are within a disc around the origin.
fn coverage((x, y): (i32, i32), radius: i32) -> i32 {
    let square = |n: i32| n * n;
    let distance = square(x) + square(y);
    if distance <= square((radius - 1).max(0)) {
        return FINE * FINE;
    }
    if distance >= square(radius + 1) {
        return 0;
    }
    let inside = |index: &i32| {
        // The middle of the subpixel, in eighths of a pixel.
        let fine = |pixel: i32, sub: i32| pixel * 2 * FINE + 2 * sub + 1 - FINE;
        square(fine(x, index % FINE)) + square(fine(y, index / FINE)) <= square(radius * 2 * FINE)
    };
    i32::try_from((0..FINE * FINE).filter(inside).count()).unwrap_or(0)
}

/// `share` of 255 parts are `over`.
fn mix(under: Colour, over: Colour, share: i32) -> Colour {
    let share = share.clamp(0, 255);
    let channel = |i: usize| (i32::from(under[i]) * (255 - share) + i32::from(over[i]) * share) / 255;
    [0, 1, 2].map(|i| u8::try_from(channel(i)).unwrap_or(u8::MAX))
}

/// The same numbers each time, so that the same goods look the same in every shop.
struct Random(u32);

impl Random {
    /// Between `-most` and `most`.
    fn within(&mut self, most: i32) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The lower bits of such a generator repeat early.
        i32::from_ne_bytes((self.0 >> 8).to_ne_bytes()) % (2 * most + 1) - most
    }
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::images::{ImageType, MAX_IMAGE_BYTES};

    use super::*;

    #[test]
    fn a_picture_is_one_that_the_shop_takes() {
        let palette = Palette { cloth: [120, 140, 110], food: [200, 60, 40], garnish: [70, 130, 60] };
        let file = png(palette, 3).unwrap();
        assert_eq!(ImageType::sniff(&file), Some(ImageType::Png));
        assert!((file.len() as u64) < MAX_IMAGE_BYTES / 20, "{} bytes", file.len());
        let mut decoded = png::Decoder::new(io::Cursor::new(&file)).read_info().unwrap();
        let mut pixels = vec![0; decoded.output_buffer_size().unwrap()];
        let info = decoded.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (480, 480));
        assert_ne!(file, png(palette, 4).unwrap());
    }
}
